/** Latency over offered load as an SVG, both axes logarithmic: where a curve turns upwards, it is too much. */
import type { Curve } from './section.ts'

const SIZE = { width: 720, height: 400, margin: 60 }
const COLOURS = ['#0b7285', '#c92a2a', '#5f3dc4', '#2b8a3e']

type Scale = (value: number) => number

export function drawCurves(curves: readonly Curve[]): string {
  const points = curves.flatMap((curve) => curve.points)
  const { width, height, margin } = SIZE
  const x = scale(
    points.map(({ rate }) => rate),
    margin,
    width - margin,
  )
  const y = scale(
    points.flatMap(({ p50, p95 }) => [p50, p95]),
    height - margin,
    margin,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...grid(points, x, y),
    ...curves.flatMap((curve, at) => drawCurve(curve, COLOURS[at % COLOURS.length] ?? 'black', at, x, y)),
    `<text x="${width / 2}" y="${height - 12}" text-anchor="middle">requests/s offered (p95 solid, p50 dashed, ms)</text>`,
    '</svg>\n',
  ].join('\n')
}

/** Logarithmic, from the smallest value to the largest. */
function scale(values: readonly number[], from: number, to: number): Scale {
  const known = values.filter((value) => value > 0)
  const low = Math.log(Math.min(...known))
  const span = Math.log(Math.max(...known)) - low || 1
  return (value) => Math.round(from + ((Math.log(value) - low) / span) * (to - from))
}

function drawCurve({ label, points }: Curve, colour: string, at: number, x: Scale, y: Scale): string[] {
  const line = (pick: 'p50' | 'p95', dash: string) => {
    const known = points.filter((point) => point[pick] > 0)
    const path = known.map((point) => `${x(point.rate)},${y(point[pick])}`).join(' ')
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`
  }
  return [
    line('p95', ''),
    line('p50', ' stroke-dasharray="4 4"'),
    `<text x="${SIZE.margin + 8}" y="${SIZE.margin + 16 * at}" fill="${colour}">${label}</text>`,
  ]
}

/** A line for each power of ten in reach, and the rates that were offered. */
function grid(points: Curve['points'], x: Scale, y: Scale): string[] {
  const { width, height, margin } = SIZE
  const times = points.flatMap(({ p50, p95 }) => [p50, p95]).filter((value) => value > 0)
  const tens = [0.1, 1, 10, 100, 1000, 10_000].filter(
    (value) => value >= Math.min(...times) && value <= Math.max(...times),
  )
  const rates = [...new Set(points.map(({ rate }) => rate))]
  return [
    ...tens.map(
      (value) =>
        `<path d="M${margin} ${y(value)}H${width - margin}" stroke="#ccc"/><text x="8" y="${y(value)}">${value} ms</text>`,
    ),
    ...rates.map(
      (rate) =>
        `<text x="${x(rate)}" y="${height - margin + 18}" text-anchor="middle" font-size="9">${rate}</text>`,
    ),
  ]
}
