/**
 * Whose turn it is among several model servers: in their order, but last for those that have just failed, and none for those that
 * fail all the time, until a try shows that they are back.
 */
import { CircuitBreaker } from '../../shared/limits/circuit-breaker.ts'
import { failureOfAll, ServerFailure } from './openai-failure.ts'

interface State {
  breaker: CircuitBreaker
  /** Until when others come first; in milliseconds. */
  restUntil: number
  /** Whether the server has asked for the rest: then it is left in peace. */
  asked: boolean
}

interface Hooks {
  onFailure?: ((server: string, failure: Error) => void) | undefined
  /** Milliseconds that never go back; replaced in tests. */
  now?: (() => number) | undefined
}

const UNNAMED = 'the model server'

export class ServerTurns<S extends { name?: string }> {
  readonly #states: ReadonlyMap<S, State>
  readonly #onFailure: Hooks['onFailure']
  readonly #now: () => number

  constructor(servers: readonly S[], { onFailure, now = () => performance.now() }: Hooks = {}) {
    this.#states = new Map(
      servers.map((server) => [server, { breaker: new CircuitBreaker(), restUntil: 0, asked: false }]),
    )
    this.#onFailure = onFailure
    this.#now = now
  }

  /**
   * Uses one server after the other until one comes to its end; what those before it gave stands.
   *
   * @param among those that may be used, all where it is absent
   * @throws EngineFailure where none does; what `signal` was aborted with
   */
  async *take<T>(
    signal: AbortSignal,
    use: (server: S) => AsyncGenerator<T>,
    among: readonly S[] = [...this.#states.keys()],
  ): AsyncGenerator<T> {
    const failures: { server: string; failure: ServerFailure }[] = []
    for (const server of this.#inTurn(among)) {
      const state = this.#stateOf(server)
      if (!state.breaker.mayTry(this.#now())) continue
      try {
        return yield* this.#use(state, use(server))
      } catch (error) {
        signal.throwIfAborted()
        const failure =
          error instanceof ServerFailure ? error : new ServerFailure('unreachable', { cause: error })
        const { name = UNNAMED } = server
        failures.push({ server: name, failure })
        this.#note(state, failure)
        this.#onFailure?.(name, failure)
      } finally {
        // Where the caller has left, it is not known how the server is.
        state.breaker.abandoned()
      }
    }
    throw failureOfAll(failures.length > 0 ? failures : among.map((server) => this.#restingFailure(server)))
  }

  /** The first thing that a server gives shows that it is there. */
  async *#use<T>({ breaker }: State, outputs: AsyncGenerator<T>): AsyncGenerator<T> {
    let isFirst = true
    for await (const output of outputs) {
      if (isFirst) breaker.succeeded()
      isFirst = false
      yield output
    }
  }

  #note(state: State, failure: ServerFailure): void {
    const now = this.#now()
    if (failure.isFault) state.breaker.failed(now, failure)
    else state.breaker.succeeded()
    if (failure.restSeconds === 0) return
    state.restUntil = now + failure.restSeconds * 1000
    state.asked = failure.retryAfterSeconds !== undefined
  }

  #inTurn(among: readonly S[]): S[] {
    const restOf = (server: S) => Math.max(0, this.#stateOf(server).restUntil - this.#now())
    return among
      .filter((server) => restOf(server) === 0 || !this.#stateOf(server).asked)
      .toSorted((a, b) => restOf(a) - restOf(b))
  }

  /** What a server that is not asked now is to the request: busy, until it is asked again. */
  #restingFailure(server: S): { server: string; failure: ServerFailure } {
    const { restUntil, asked, breaker } = this.#stateOf(server)
    const until = Math.max(asked ? restUntil : 0, breaker.nextTryAt ?? 0)
    const retryAfterSeconds = Math.max(1, Math.ceil((until - this.#now()) / 1000))
    return { server: server.name ?? UNNAMED, failure: new ServerFailure('busy', { retryAfterSeconds }) }
  }

  #stateOf(server: S): State {
    const state = this.#states.get(server)
    if (state === undefined) throw new Error('Cannot use a server that is not one of those given')
    return state
  }
}
