/** Spans of calls. Until somebody asks for them (`OTEL_EXPORTER_OTLP_ENDPOINT`), nothing of OpenTelemetry is loaded. */
import type { RunInSpan } from './tracer.ts'

/** Asked for each call, and most processes never trace. */
let runInSpan: RunInSpan | undefined

/** Runs `work` in a span where a collector is set, and as it is where none is. */
export const withSpan: RunInSpan = (name, parent, attributes, work, role) =>
  runInSpan === undefined ? work(parent, NOTHING) : runInSpan(name, parent, attributes, work, role)

const NOTHING = (): void => {}

/**
 * Sends spans to an OTLP collector over HTTP.
 *
 * @param endpoint base URL, such as `http://otel-collector:4318`
 * @returns ends that, and sends what is still to be sent
 */
export async function startTracing(service: string, endpoint: string): Promise<() => Promise<void>> {
  const { openTracer } = await import('./tracer.ts')
  const tracer = openTracer(service, endpoint)
  runInSpan = tracer.runInSpan
  return () => {
    if (runInSpan === tracer.runInSpan) runInSpan = undefined
    return tracer.close()
  }
}
