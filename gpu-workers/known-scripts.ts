/**
 * Which scripts an embedding model knows. To one that does not know a script all texts in it are much alike, so that
 * their vectors say nothing.
 *
 * The model itself is asked, once for each script that occurs: it knows a script in which the vectors of three
 * sentences lie as far apart as those of their translations, or each of them closest to its own translation.
 */
import type { EmbedOptions, Engine } from './engines/engine.ts'
import { ENGLISH, PICTURE_SAMPLES, SCRIPT_SAMPLES, type Samples } from './script-samples.ts'
import { toUnitLength } from './unit-vector.ts'

/** Letters of scripts that are not known, as a share: with more of them a text is unreadable. */
const MAX_UNKNOWN = 0.25
/** How far apart sentences lie on average, in units of what English ones do. */
const LEAST_DISTANCE = 0.8
/** How much closer a sentence is to its own translation than to another, in the same units. */
const LEAST_KINSHIP = 0.25

interface Script {
  name: string
  /** One letter or picture of it. */
  letter: RegExp
  /** None where nothing is known of it. */
  samples?: Samples
}

const SCRIPTS: readonly Script[] = [
  ...Object.entries(SCRIPT_SAMPLES).map(([name, samples]) => ({
    name,
    letter: new RegExp(String.raw`[\p{L}&&\p{Script=${name}}]`, 'gv'),
    samples,
  })),
  { name: 'pictures', letter: /\p{Extended_Pictographic}/gv, samples: PICTURE_SAMPLES },
]
const NAMES = Object.keys(SCRIPT_SAMPLES)
const OTHER: Script = {
  name: 'other',
  letter: new RegExp(
    String.raw`[\p{L}--[\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}${NAMES.map((name) => String.raw`\p{Script=${name}}`).join('')}]]`,
    'gv',
  ),
}
const LETTER = /[\p{L}\p{Extended_Pictographic}]/gv
/** Of no other script than Latin; most texts are. */
const PLAIN = /^[\p{Script=Latin}[[\p{Script=Common}\p{Script=Inherited}]--\p{Extended_Pictographic}]]*$/v

/** What each engine's model was found to know, by model and script. */
const found = new WeakMap<Engine, Map<string, Promise<boolean>>>()

/**
 * The places of texts that the engine's embedding model cannot read.
 *
 * @param model the model's name: another one may know other scripts
 * @throws EngineFailure where the model has to be asked and cannot
 */
export async function findUnread(
  texts: readonly string[],
  engine: Engine,
  model: string,
  options: EmbedOptions,
): Promise<number[]> {
  const unread: number[] = []
  for (const [at, text] of texts.entries())
    if (!(await canRead(text, engine, model, options))) unread.push(at)
  return unread
}

async function canRead(text: string, engine: Engine, model: string, options: EmbedOptions): Promise<boolean> {
  if (PLAIN.test(text)) return true
  let unknown = 0
  for (const script of [...SCRIPTS, OTHER]) {
    const letters = text.match(script.letter)?.length ?? 0
    if (letters > 0 && !(await knows(script, engine, model, options))) unknown += letters
  }
  return unknown <= MAX_UNKNOWN * (text.match(LETTER)?.length ?? 0)
}

function knows(script: Script, engine: Engine, model: string, options: EmbedOptions): Promise<boolean> {
  const known = found.get(engine) ?? new Map<string, Promise<boolean>>()
  found.set(engine, known)
  const key = `${model} ${script.name}`
  const before = known.get(key)
  if (before !== undefined) return before
  const finding = ask(script, engine, options)
  known.set(key, finding)
  finding.catch(() => known.delete(key))
  return finding
}

async function ask({ samples }: Script, engine: Engine, options: EmbedOptions): Promise<boolean> {
  if (samples === undefined) return false
  const { vectors } = await engine.embed([...ENGLISH, ...samples], options)
  const units = vectors.map(toUnitLength)
  const [english, others] = [units.slice(0, 3), units.slice(3)]
  const usual = 1 - meanCosine(english, english, 'others')
  const distance = 1 - meanCosine(others, others, 'others')
  const kinship = meanCosine(english, others, 'own') - meanCosine(english, others, 'others')
  return distance >= LEAST_DISTANCE * usual || kinship >= LEAST_KINSHIP * usual
}

/** Of the vectors in the same places, or of those in other places. */
function meanCosine(a: readonly Float32Array[], b: readonly Float32Array[], which: 'own' | 'others'): number {
  const cosines = a.flatMap((one, at) =>
    b.filter((_, other) => (at === other) === (which === 'own')).map((other) => cosine(one, other)),
  )
  return cosines.reduce((sum, each) => sum + each, 0) / cosines.length
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0)
}
