/**
 * Follows one job to its end. The log comes first; where it cannot be read (NATS unavailable, or its memory lost), the job's row
 * decides, which is read when the log comes back, and at heartbeats while nothing arrives.
 */
import type { TokenMessage } from '../../shared/inference/messages.ts'
import { Ending, hasEnded, type JobRow } from './ending.ts'
import type { TokenLogs } from './token-logs.ts'

export interface Following {
  tenant: string
  job: string
  logs: TokenLogs
  /** Reads the job's row as the caller; undefined where there is no answer. */
  readRow(): Promise<JobRow | undefined>
  heartbeatMs: number
  /** What is known of the row already. */
  row?: JobRow
  onMessage(message: TokenMessage): void
  onBeat(): void
  /** Called once, and then nothing else is. */
  onEnd(ending: Ending): void
}

/** Heartbeats of silence, with NATS there, after which the row is asked. */
const SILENT_BEATS = 4

/** Returns what stops it. */
export function followJob(following: Following): () => void {
  const { tenant, job, logs, readRow, heartbeatMs, row, onMessage, onBeat, onEnd } = following
  let over = false
  let silentBeats = 0

  function stop(): void {
    over = true
    clearInterval(timer)
    stopReading()
  }

  function end(ending: Ending): void {
    if (over) return
    stop()
    onEnd(ending)
  }

  /** Ends by the row, unless the log has the end too: then what stands before it in the log comes first. */
  async function consult(known?: JobRow): Promise<void> {
    const found = known ?? (await readRow())
    if (over || found === undefined || !hasEnded(found)) return
    const closed = silentBeats === 0 && (await logs.isClosed(tenant, job))
    if (!closed) end(found)
  }

  function beat(): void {
    onBeat()
    silentBeats++
    if (!logs.connected || silentBeats % SILENT_BEATS === 0) void consult()
  }

  const timer = setInterval(beat, heartbeatMs)
  const stopReading = logs.read(tenant, job, {
    onMessage(message) {
      silentBeats = 0
      if (!over) onMessage(message)
    },
    onClosed(event) {
      const ending = Ending.safeParse(event.data)
      if (ending.success) end(ending.data)
      else void consult()
    },
    onReopened() {
      silentBeats = 0
      void consult()
    },
  })
  if (row !== undefined) void consult(row)
  return stop
}
