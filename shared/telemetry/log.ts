/** One structured log line per thing worth knowing, to stdout; secrets are redacted before they are written. */
import { pino, type Logger } from 'pino'

export type Log = Logger

/** A log for one process; `name` is its function, or its part of the platform. */
export function createLog(name: string, level: string): Log {
  return pino({
    name,
    level,
    base: { pid: process.pid },
    redact: {
      paths: [
        'authorization',
        'headers.authorization',
        'headers["x-api-key"]',
        '*.apiKey',
        '*.token',
        '*.secret',
      ],
      censor: '[redacted]',
    },
  })
}
