/**
 * From a short description of a dashboard to the JSON that Grafana reads: two panels a row, one axis, one legend with the last
 * and the greatest value.
 *
 * No query has a tenant as a label of a metric. Where a panel is about tenants it reads logs.
 */

/** The uids under which Grafana knows where to ask; provisioned with it. */
export type Source = 'prometheus' | 'loki'

export interface Panel {
  title: string
  /** Grafana's name of the unit, such as `s`, `reqps` or `percentunit`. */
  unit: string
  /** What each line is called, with `{{label}}` for values of labels, and its query. */
  queries: Readonly<Record<string, string>>
  /** What it says, and what to do about it. */
  help?: string
  /** Why it may be empty although all is well; every other panel has data wherever the platform runs. */
  emptyWithout?: string
  /** Absent is lines over time; `bars` compares totals over the time that is shown. */
  type?: 'bars'
  source?: Source
}

export interface Dashboard {
  /** Of its file, and its uid. */
  name: string
  title: string
  panels: readonly Panel[]
  /** Numbers that a reader can change above the panels, with their default. */
  inputs?: Readonly<Record<string, { label: string; value: string }>>
}

const WIDTH = 12
const HEIGHT = 8
const TYPES = { lines: 'timeseries', bars: 'bargauge' } as const

/** Grafana's model of `dashboard`. */
export function toGrafana({ name, title, panels, inputs = {} }: Dashboard) {
  return {
    uid: `kgents-${name}`,
    title: `kgents: ${title}`,
    tags: ['kgents'],
    schemaVersion: 42,
    editable: false,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '1m',
    time: { from: 'now-6h', to: 'now' },
    annotations: { list: [] },
    templating: { list: Object.entries(inputs).map(toInput) },
    panels: panels.map(toPanel),
  }
}

function toInput([name, { label, value }]: [string, { label: string; value: string }]) {
  const current = { text: value, value }
  return { name, label, type: 'textbox', query: value, current, options: [{ ...current, selected: true }] }
}

function toPanel(panel: Panel, at: number) {
  const { title, unit, help, emptyWithout, source = 'prometheus' } = panel
  const notes = [help, emptyWithout === undefined ? undefined : `Empty without ${emptyWithout}.`]
  return {
    id: at + 1,
    title,
    description: notes.filter((note) => note !== undefined).join(' '),
    type: TYPES[panel.type ?? 'lines'],
    datasource: { type: source, uid: source },
    gridPos: { h: HEIGHT, w: WIDTH, x: (at % 2) * WIDTH, y: Math.floor(at / 2) * HEIGHT },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: panel.type === 'bars' ? BARS : LINES,
    targets: Object.entries(panel.queries).map(([legendFormat, expr], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: { type: source, uid: source },
      editorMode: 'code',
      expr,
      legendFormat,
      ...(panel.type === 'bars' ? { instant: true, range: false } : { instant: false, range: true }),
      ...(source === 'loki' ? { queryType: panel.type === 'bars' ? 'instant' : 'range' } : {}),
    })),
  }
}

const LINES = {
  legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'], showLegend: true },
  tooltip: { mode: 'multi', sort: 'desc' },
}
const BARS = {
  displayMode: 'basic',
  orientation: 'horizontal',
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  showUnfilled: true,
}
