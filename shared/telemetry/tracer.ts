/** Spans by OpenTelemetry, which takes a tenth of a second to load: only `spans.ts` does, where a collector is set. */
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Span,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { Failure, Refusal } from '../failures.ts'
import type { TraceContext } from './trace.ts'

const SEND_EVERY_MS = 2000

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const
type Role = keyof typeof KINDS

/**
 * Runs `work` in a span below `parent`; what it calls belongs below the trace that it is given, and what it finds out it
 * adds to the span.
 *
 * @param role what the span is of: answering a request, making one, or work within the process
 */
export type RunInSpan = <T>(
  name: string,
  parent: TraceContext,
  attributes: () => Attributes,
  work: (trace: TraceContext, add: AddAttributes) => Promise<T>,
  role?: Role,
) => Promise<T>

/** Called only where spans are sent. */
export type AddAttributes = (attributes: () => Attributes) => void

export interface OpenTracer {
  runInSpan: RunInSpan
  /** Sends what is still to be sent. */
  close(): Promise<void>
}

/** @param endpoint base URL of an OTLP collector */
export function openTracer(service: string, endpoint: string): OpenTracer {
  const exporter = new OTLPTraceExporter({ url: new URL('/v1/traces', endpoint).href })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: SEND_EVERY_MS })],
  })
  const tracer = provider.getTracer('kgents')
  return {
    async runInSpan(name, parent, attributes, work, role = 'server') {
      const options = { kind: KINDS[role], attributes: attributes() }
      const span = tracer.startSpan(name, options, contextOf(parent))
      const own = span.isRecording() ? { ...parent, spanId: span.spanContext().spanId } : parent
      try {
        return await work(own, (found) => void span.setAttributes(found()))
      } catch (error) {
        describe(error, span)
        throw error
      } finally {
        span.end()
      }
    },
    close: () => provider.shutdown(),
  }
}

function contextOf({ traceId, spanId, sampled }: TraceContext) {
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

/** A refusal is an answer, and so is every other failure that is the caller's doing. */
function describe(error: unknown, span: Span): void {
  if (error instanceof Failure) span.setAttribute('error.type', error.code)
  if (!(error instanceof Refusal) && (!(error instanceof Failure) || error.retry)) {
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
}
