/** Forms of queries that many panels share. `$__rate_interval` is what Grafana finds fitting for the time that is shown. */

/** Per second, by `labels`. */
export function rate(metric: string, ...labels: string[]): string {
  return `${sumBy(labels)} (rate(${metric}[$__rate_interval]))`
}

/** A part of all, between 0 and 1; nothing where there is nothing to be part of. */
export function share(part: string, whole: string, ...labels: string[]): string {
  return `${rate(part, ...labels)} / (${rate(whole, ...labels)} > 0)`
}

/** What `part` of 1 stays below, of a histogram without its `_bucket`. */
export function quantile(part: number, histogram: string, matchers = '', ...labels: string[]): string {
  const buckets = rate(`${histogram}_bucket${matchers === '' ? '' : `{${matchers}}`}`, 'le', ...labels)
  return `histogram_quantile(${part}, ${buckets})`
}

/** The three that say how calls feel. */
export function quantiles(histogram: string, matchers = ''): Record<string, string> {
  return {
    'half of them': quantile(0.5, histogram, matchers),
    p95: quantile(0.95, histogram, matchers),
    p99: quantile(0.99, histogram, matchers),
  }
}

/** The greatest ten. */
export function top(query: string): string {
  return `topk(10, ${query})`
}

function sumBy(labels: readonly string[]): string {
  return labels.length === 0 ? 'sum' : `sum by (${labels.join(', ')})`
}
