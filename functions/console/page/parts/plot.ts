/** Draws curves by uPlot, in the colours that the style sheet gives the place. */
import uPlot from 'uplot'
import { formatDay, formatNumber } from '../core/format.ts'

export interface Curve {
  label: string
  /** Days such as `2026-11-27`, ascending. */
  days: string[]
  /** One for each day; null is unknown. */
  values: (number | null)[]
}

const HEIGHT = 200
const DAY_SECONDS = 86_400
/** A curve of fewer days is drawn as far as that many would reach. */
const MIN_DAYS = 6

/** @returns what removes it */
export function plot(place: HTMLElement, curve: Curve): () => void {
  const { days, values } = curve
  const data: uPlot.AlignedData = [days.map((day) => Date.parse(day) / 1000), values]
  const drawn = new uPlot(optionsOf(place, curve), data, place)
  const resize = new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height: HEIGHT }))
  resize.observe(place)
  return () => {
    resize.disconnect()
    drawn.destroy()
  }
}

/** Computed colours of the place: text of the axes, lines, and the curve. A custom property would keep `light-dark()` unread. */
function optionsOf(place: HTMLElement, { label, days }: Curve): uPlot.Options {
  const { color: text, borderTopColor: line, caretColor: curve } = getComputedStyle(place)
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } }
  const number = (value: number | null) => (value === null ? '–' : formatNumber(value))
  return {
    width: place.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    axes: [
      // A step of the axis is whole days, however short the range.
      {
        ...axis,
        incrs: [1, 2, 7, 14, 31, 92, 365].map((each) => each * DAY_SECONDS),
        values: (_, at) => at.map(dayAt),
      },
      { ...axis, size: 64, values: (_, at) => at.map(number) },
    ],
    scales: {
      x: { range: (_, first, last) => [Math.min(first, last - MIN_DAYS * DAY_SECONDS), last] },
      y: { range: (_, _lowest, highest) => [0, Math.max(highest, 1) * 1.1] },
    },
    series: [
      { label: 'Day', value: (_, seconds) => (seconds === null ? '–' : dayAt(seconds)) },
      {
        label,
        stroke: curve,
        width: 2,
        points: { show: days.length < 15 },
        value: (_, value) => number(value),
      },
    ],
  }
}

function dayAt(seconds: number): string {
  return formatDay(new Date(seconds * 1000).toISOString().slice(0, 10)).replace(/,? \d{4}$/, '')
}
