/** Real Hop Servers for tests and for `demo --real`: what they need, how they are started and fed. */
export { hopAvailable } from './build.js';
export { deafPipeline, endlessPipeline, jdbcTarget, loadPipeline, parentWorkflow, shortPipeline } from './documents.js';
export { type HopServer, type HopTask, startHopServer } from './server.js';
export { type RealFacts, startRealFleet } from './real-fleet.js';
