export { bulkTermination } from './bulk-termination.js';
export { identifyEstate, listRuns, planRequest, readReport, surveyEstate } from './short-workflows.js';
