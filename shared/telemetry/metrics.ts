/**
 * Counters, gauges and histograms in the format that Prometheus reads: names, labels and values escaped by the library.
 *
 * Every part has a registry of its own, so that two of them can live in one process. Functions count nothing in their
 * process and load this file only when somebody asks for `/metrics`.
 */
import { Counter, Gauge, Histogram, Registry as Metrics } from 'prom-client'

export type { Counter, Gauge, Histogram } from 'prom-client'

export interface Registry {
  counter<Label extends string = never>(name: string, help: string, labels?: Label[]): Counter<Label>
  gauge<Label extends string = never>(name: string, help: string, labels?: Label[]): Gauge<Label>
  /** A gauge whose value is read when the metrics are. */
  observableGauge(name: string, help: string, read: () => number): void
  /** @param buckets upper bounds, rising */
  histogram<Label extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labels?: Label[],
  ): Histogram<Label>
  /** All metrics as text. */
  render(): Promise<string>
}

export const METRICS_HEADERS = { 'content-type': Metrics.PROMETHEUS_CONTENT_TYPE }

export function createRegistry(): Registry {
  const metrics = new Metrics()
  const registers = [metrics]
  return {
    counter: (name, help, labelNames = []) => new Counter({ name, help, labelNames, registers }),
    gauge: (name, help, labelNames = []) => new Gauge({ name, help, labelNames, registers }),
    observableGauge(name, help, read) {
      const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(read()) })
    },
    histogram: (name, help, buckets, labelNames = []) =>
      new Histogram({ name, help, buckets, labelNames, registers }),
    render: () => metrics.metrics(),
  }
}
