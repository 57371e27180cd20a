/** Counters and gauges of the export of usage, by the service that it goes to. */
import type { Registry } from '../../shared/telemetry/metrics.ts'
import type { Service } from './service.ts'

type Name = Service['name']
const NAMES: readonly Name[] = ['openmeter', 'lago']
const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export interface ExportMetrics {
  waiting(name: Name, database: string, events: number): void
  sent(name: Name, meter: string): void
  failed(name: Name): void
  timed<T>(name: Name, work: () => Promise<T>): Promise<T>
}

export function createExportMetrics(registry: Registry): ExportMetrics {
  const [openmeter, lago] = NAMES.map((name) => ofService(registry, name))
  const of = { openmeter, lago } as Record<Name, ReturnType<typeof ofService>>
  return {
    waiting: (name, database, events) => of[name].buffered.set({ database }, events),
    sent: (name, meter) => of[name].sent.inc({ event_type: meter }),
    failed: (name) => of[name].errors.inc(),
    async timed(name, work) {
      const begun = performance.now()
      try {
        return await work()
      } finally {
        of[name].latency.observe((performance.now() - begun) / 1000)
      }
    },
  }
}

function ofService({ gauge, counter, histogram }: Registry, name: Name) {
  return {
    buffered: gauge(`kgents_${name}_events_buffered`, 'Events that wait to be exported', ['database']),
    sent: counter(`kgents_${name}_events_sent_total`, 'Events that were exported, by meter', ['event_type']),
    errors: counter(`kgents_${name}_flush_errors_total`, 'Requests that were not answered, or not taken'),
    latency: histogram(`kgents_${name}_flush_latency_seconds`, 'How long a batch takes', SECONDS),
  }
}
