// pages
export { startDashboard, type Dashboard, type DashboardOptions } from './start-dashboard.ts';
export { writeReport, type ReportContext, type WriteReportOptions } from './snapshot/write-report.ts';

// a reader's notes
export { exportNotes, readNotes, type ExportNotesOptions } from './notes/export-notes.ts';
export { marks, type Mark } from './notes/marks.ts';
export type { LabelLine } from './notes/label-lines.ts';
export type { Note } from './notes/note.ts';
