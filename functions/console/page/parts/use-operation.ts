/** Runs an operation that reads, and again where its input changes, somebody says so, or time passes. */
import { useEffect, useState } from 'preact/hooks'
import { ApiError, type Json, type Problem } from '../core/api.ts'
import { run } from '../core/openapi.ts'

export interface Read<T> {
  /** Stays while it is read again. */
  answer?: T
  problem?: Problem
  reload(): void
}

interface Found<T> {
  key: string
  answer?: T
  problem?: Problem
}

/**
 * @param name undefined reads nothing
 * @param everySeconds how often it is read again while the page is in view; absent is never
 */
export function useOperation<T = Json>(
  name: string | undefined,
  input: Json = {},
  everySeconds?: number,
): Read<T> {
  const key = JSON.stringify([name, input])
  const [turn, setTurn] = useState(0)
  const [found, setFound] = useState<Found<T>>({ key })
  const reload = () => setTurn((last) => last + 1)

  useEffect(() => {
    if (name === undefined) return undefined
    const leaving = new AbortController()
    run<T>(name, input, leaving.signal).then(
      (answer) => setFound({ key, answer }),
      (error: unknown) => {
        if (!leaving.signal.aborted) setFound({ key, problem: problemOf(error) })
      },
    )
    return () => leaving.abort()
  }, [key, turn])

  useEffect(() => {
    if (everySeconds === undefined) return undefined
    const timer = setInterval(() => document.visibilityState === 'visible' && reload(), everySeconds * 1000)
    return () => clearInterval(timer)
  }, [everySeconds])

  const { key: _, ...current } = found.key === key ? found : { key }
  return { ...current, reload }
}

/** Of whatever was thrown: a mistake of this page is shown as one. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem
  return { title: 'The page made a mistake', status: 0, code: 'PAGE', message: String(error) }
}
