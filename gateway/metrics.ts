/** Numbers for Prometheus, in its text format; just what the two processes of the gateway need. */

export interface Metric {
  /** The metric's lines, with its `# HELP` and `# TYPE`. */
  render(): string
}

type Labels = Readonly<Record<string, string>>

/** One number for each set of labels. Hold on to what `of` answers where a request passes often. */
export interface Numbers extends Metric {
  of(labels: Labels): Cell
}

export interface Cell {
  value: number
}

export function createNumbers(type: 'counter' | 'gauge', name: string, help: string): Numbers {
  const cells = new Map<string, Cell>()
  return {
    of(labels) {
      const text = renderLabels(labels)
      const known = cells.get(text)
      if (known !== undefined) return known
      const cell = { value: 0 }
      cells.set(text, cell)
      return cell
    },
    render: () =>
      [
        head(type, name, help),
        ...[...cells].map(([labels, { value }]) => `${name}${labels} ${value}\n`),
      ].join(''),
  }
}

export interface Distribution {
  observe(value: number): void
}

export interface Histogram extends Metric {
  of(labels: Labels): Distribution
}

/** @param bounds upper bounds of the buckets, rising */
export function createHistogram(name: string, help: string, bounds: readonly number[]): Histogram {
  const rows = new Map<string, { labels: Labels; row: Row }>()
  return {
    of(labels) {
      const text = renderLabels(labels)
      const known = rows.get(text)
      if (known !== undefined) return known.row
      const row = createRow(bounds)
      rows.set(text, { labels, row })
      return row
    },
    render: () =>
      head('histogram', name, help) +
      [...rows.values()].map(({ labels, row }) => renderRow(name, labels, row, bounds)).join(''),
  }
}

interface Row extends Distribution {
  readonly counts: readonly number[]
  readonly sum: () => number
}

function createRow(bounds: readonly number[]): Row {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0)
  let sum = 0
  return {
    counts,
    sum: () => sum,
    observe(value) {
      let index = 0
      while (index < bounds.length && value > (bounds[index] ?? Infinity)) index++
      counts[index] = (counts[index] ?? 0) + 1
      sum += value
    },
  }
}

function renderRow(name: string, labels: Labels, row: Row, bounds: readonly number[]): string {
  let total = 0
  const lines = row.counts.map((count, index) => {
    total += count
    return `${name}_bucket${renderLabels({ ...labels, le: String(bounds[index] ?? '+Inf') })} ${total}\n`
  })
  const text = renderLabels(labels)
  return `${lines.join('')}${name}_sum${text} ${row.sum()}\n${name}_count${text} ${total}\n`
}

function head(type: string, name: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

function renderLabels(labels: Labels): string {
  const entries = Object.entries(labels)
  if (entries.length === 0) return ''
  return `{${entries.map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`).join(',')}}`
}
