/** What the worker counts, written in the text format that Prometheus reads. */

export interface Metrics {
  readonly running: number
  begin(): void
  end(outcome: string): void
  /** Tokens of a job that ended, and the seconds in which the completion tokens were made. */
  count(tokens: { prompt: number; completion: number }, seconds: number): void
  render(): string
}

export function createMetrics(): Metrics {
  const jobs = new Map<string, number>()
  const tokens = { prompt: 0, completion: 0 }
  let running = 0
  let seconds = 0
  let rate = 0
  return {
    get running() {
      return running
    },
    begin() {
      running++
    },
    end(outcome) {
      running--
      jobs.set(outcome, (jobs.get(outcome) ?? 0) + 1)
    },
    count({ prompt, completion }, took) {
      tokens.prompt += prompt
      tokens.completion += completion
      if (completion === 0) return // nothing was generated: texts were embedded
      seconds += took
      rate = took > 0 ? completion / took : 0
    },
    render() {
      return [
        ...metric('jobs_running', 'gauge', 'Jobs that are running', [['', running]]),
        ...metric('jobs_total', 'counter', 'Jobs by what became of them', labelled('outcome', jobs)),
        ...metric('tokens_total', 'counter', 'Tokens by kind', labelled('kind', Object.entries(tokens))),
        ...metric('generation_seconds_total', 'counter', 'Seconds spent generating', [['', seconds]]),
        ...metric('tokens_per_second', 'gauge', 'Completion tokens per second of the last job', [['', rate]]),
        '',
      ].join('\n')
    },
  }
}

type Sample = [labels: string, value: number]

function metric(name: string, type: 'gauge' | 'counter', help: string, samples: Sample[]): string[] {
  const full = `kgents_worker_${name}`
  const lines = samples.map(([labels, value]) => `${full}${labels} ${value}`)
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines]
}

function labelled(label: string, values: Iterable<[string, number]>): Sample[] {
  return Array.from(values, ([name, value]) => [`{${label}="${name}"}`, value])
}
