/** Texts to try a parser with: what is valid, what nearly is, and what nobody would write. */
import fc from 'fast-check'
import { expect } from 'vitest'
import { CONTEXTS } from '../../../shared/agentese/path.ts'
import { Failure } from '../../../shared/failures.ts'

export const segments = fc.stringMatching(/^[a-z][a-z0-9_]{0,63}$/)

/** Paths in parts. */
export const places = fc.record({
  context: fc.constantFrom(...CONTEXTS),
  holon: segments,
  aspect: segments,
})

export const paths = places.map(({ context, holon, aspect }) => `${context}.${holon}.${aspect}`)

const anything = fc.string({ unit: 'binary', maxLength: 300 })

/** What means something to one of the parsers, and what hides. */
const tricky = fc.constantFrom(
  ...'. .. ? * ** >> > Id .pipe( ) , : [ ] @ = & % _ \\ __proto__ constructor me self writes: É \0 \u200b \ud800'.split(
    ' ',
  ),
  ' ',
  '\n',
)

/** `valid` with a piece taken out, put in, doubled or put in capitals. */
function mutationsOf(valid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(valid, fc.nat(), fc.nat(5), fc.oneof(tricky, anything))
    .map(([text, place, length, piece]) => {
      const at = place % (text.length + 1)
      return text.slice(0, at) + piece + text.slice(at + length)
    })
}

/** Mostly what is nearly valid: what is random throughout is refused at its first letter. */
export function textsNear(valid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 4, arbitrary: mutationsOf(mutationsOf(valid)) },
    { weight: 3, arbitrary: mutationsOf(valid) },
    {
      weight: 2,
      arbitrary: fc.array(fc.oneof(tricky, valid), { maxLength: 12 }).map((parts) => parts.join('')),
    },
    { weight: 1, arbitrary: anything },
    { weight: 1, arbitrary: valid },
  )
}

/** A megabyte of what a slow parser would choke on. */
export const megabytes = [
  'a',
  '.',
  'a.',
  '*',
  'a*',
  '?',
  '>>',
  'Id>>',
  '(',
  ' ',
  '\0',
  '\ud800',
  'world.',
  'é',
].map((piece) => piece.repeat(Math.ceil(1_000_000 / piece.length)))

/** What `parse` answers, or the failure that it throws: of the caller's making, short, and with advice. */
export function outcomeOf<T>(parse: () => T): T | Failure {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { status, message, facts } = error
    const good = status === 400 && message.length < 400 && message.isWellFormed() && facts.suggestion
    if (!good) expect.unreachable(`${status} ${message}: ${facts.suggestion}`)
    return error
  }
}

/** How often the parsers are tried, and how long that may take on a busy machine. */
export const fuzz = { runs: { numRuns: 10_000 }, options: { timeout: 120_000 } }
