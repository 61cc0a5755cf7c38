export { bulkTermination } from './bulk-termination.js';
export { listRuns, planRequest, readReport, surveyEstate } from './short-workflows.js';
