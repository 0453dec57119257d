import { isMap, parse, parseDocument } from 'yaml';
import type { Document } from 'yaml';

/** The map that a YAML text is, comments and all; undefined when it is none, or one that cannot be written again (an alias without its anchor). */
export function yamlMapOf(text: string): Document | undefined {
  const document = parseDocument(text, { logLevel: 'error', prettyErrors: false });
  if (document.errors.length > 0 || !isMap(document.contents)) return undefined;
  try {
    document.toJS();
    return document;
  } catch {
    return undefined;
  }
}

/** A changed document as text; the text that it came from where both say the same: writing YAML again may give it another form each time. */
export function yamlTextOf(document: Document, current: string | undefined): string {
  const text = document.toString({ lineWidth: 0 });
  return current !== undefined && valueOf(current) === valueOf(text) ? current : text;
}

function valueOf(text: string): string {
  return JSON.stringify(parse(text, { logLevel: 'error' }));
}
