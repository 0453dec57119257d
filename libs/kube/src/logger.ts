type Write = (fields: object, message: string) => void;

/** What this lib asks of a logger; a pino logger fits. */
export interface KubeLogger {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}

const nothing: Write = () => undefined;

/** For one-shot programs and specs that look at results, not at logs. */
export const silentLogger: KubeLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
