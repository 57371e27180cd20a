/**
 * OpenTelemetry spans. Until somebody asks for them (`OTEL_EXPORTER_OTLP_ENDPOINT`), the API's own no-op stands in and
 * the SDK is not even loaded.
 */
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
} from '@opentelemetry/api'
import { Failure, Refusal } from '../failures.ts'
import type { TraceContext } from './trace.ts'

const tracer = trace.getTracer('kgents')
/** Asked for each call, and most processes never trace. */
let isTracing = false

/** Runs `work` in a span below `parent`; what it calls belongs below the trace that it is given. */
export async function withSpan<T>(
  name: string,
  parent: TraceContext,
  attributes: () => Attributes,
  work: (trace: TraceContext) => Promise<T>,
): Promise<T> {
  if (!isTracing) return work(parent)
  const { traceId, spanId, sampled } = parent
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  const context = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: attributes() }, context)
  try {
    return await work(span.isRecording() ? { ...parent, spanId: span.spanContext().spanId } : parent)
  } catch (error) {
    // A refusal is an answer, and so is every other failure that is the caller's doing.
    if (error instanceof Failure) span.setAttribute('kgents.code', error.code)
    if (!(error instanceof Refusal) && (!(error instanceof Failure) || error.retry)) {
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
    throw error
  } finally {
    span.end()
  }
}

/**
 * Sends spans to an OTLP collector over HTTP.
 *
 * @param endpoint base URL, such as `http://otel-collector:4318`
 * @returns sends what is still to be sent
 */
export async function startTracing(service: string, endpoint: string): Promise<() => Promise<void>> {
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ])
  const exporter = new OTLPTraceExporter({ url: new URL('/v1/traces', endpoint).href })
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 2000 })],
  })
  trace.setGlobalTracerProvider(provider)
  isTracing = true
  return () => provider.shutdown()
}
