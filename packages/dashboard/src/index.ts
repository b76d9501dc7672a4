export { startDashboard, type Dashboard, type DashboardOptions } from './start-dashboard.ts';
export { writeReport, type ReportContext, type WriteReportOptions } from './snapshot/write-report.ts';
