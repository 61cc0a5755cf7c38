/** Real Hop Servers for tests and for `demo --real`: what they need, how they are built, started and fed. */
export { buildHop, hopAvailable } from './build.js';
export {
  deafPipeline,
  endlessPipeline,
  jdbcTarget,
  loadPipeline,
  parentWorkflow,
  registration,
  shortPipeline,
} from './documents.js';
export { type HopServer, type HopStatus, type HopTask, startHopServer } from './server.js';
export { type RealFacts, type RealFleet, type RealFleetOptions, startRealFleet } from './real-fleet.js';
