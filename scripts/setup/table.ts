import type { PartReport } from './index.js';

/** The reports as a table for the terminal: part, version, how, path. */
export function table(reports: readonly PartReport[]): string {
  const rows = [
    ['PART', 'VERSION', 'HOW', 'PATH'],
    ...reports.map(({ name, version, how, path }) => [name, version, how, path ?? '-']),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}
