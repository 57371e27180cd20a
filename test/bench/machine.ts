/** The machine that was measured on, in one line: a figure without it says little. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU'
  const memory = Math.round(totalmem() / 2 ** 30)
  return (
    `${new Date().toISOString().slice(0, 16)}Z, Node ${process.versions.node}, ${process.platform} ${process.arch}, ` +
    `${availableParallelism()} cores (${model}), ${memory} GiB.`
  )
}

/** How busy it was over the last minute, ourselves included. */
export function loadAverage(): string {
  return loadavg()[0]?.toFixed(2) ?? '-'
}
