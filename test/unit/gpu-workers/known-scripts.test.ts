import { describe, expect, test } from 'vitest'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { findUnread } from '../../../gpu-workers/known-scripts.ts'
import { ENGLISH, SCRIPT_SAMPLES } from '../../../gpu-workers/script-samples.ts'

const never = { signal: new AbortController().signal }

/** A model that knows some scripts; `common` is what all its vectors share, in units of what a text's own meaning is. */
function modelOf(known: readonly string[], common = 0) {
  const asked: string[] = []
  const senses: (readonly string[])[] = [ENGLISH, ...known.map((name) => SCRIPT_SAMPLES[name] ?? [])]
  const vectorOf = (text: string) => {
    const vector = new Float32Array(8)
    vector[0] = common
    const sense = senses.flatMap((samples) => samples.indexOf(text)).find((at) => at >= 0)
    vector[sense === undefined ? 7 : sense + 1] = 1
    return vector
  }
  const engine = {
    async embed(texts: readonly string[]) {
      asked.push(...texts)
      return { vectors: texts.map(vectorOf), tokens: 0, model: 'm' }
    },
  } as unknown as Engine // reason: nothing else of an engine is used
  const unreadOf = async (texts: readonly string[], model = 'm') =>
    (await findUnread(texts, engine, model, never)).map((at) => texts[at])
  return { unreadOf, asked }
}

describe('findUnread()', () => {
  test('finds texts in scripts that the model does not know, however alike all its vectors are', async () => {
    const texts = ['Zürich', 'Привет', 'नमस्ते', '4711', '', 'ᎣᏏᏲ', '👍']
    for (const common of [0, 3]) {
      const { unreadOf } = modelOf(['Cyrillic'], common)
      expect(await unreadOf(texts)).toEqual(['नमस्ते', 'ᎣᏏᏲ', '👍'])
    }
  })

  test('lets up to a quarter of the letters be of such a script', async () => {
    const { unreadOf } = modelOf(['Han'])
    expect(await unreadOf(['Lunch with नमन', 'Lunch नमन', '火车 и 石油价'])).toEqual(['Lunch नमन'])
  })

  test('asks the model once for each script that occurs, and another model anew', async () => {
    const { unreadOf, asked } = modelOf([])
    expect(await unreadOf(['Hello', '12 ½ …'])).toEqual([])
    expect(asked).toEqual([])
    await unreadOf(['Привет', 'Пока'])
    await unreadOf(['Привет'])
    expect(asked).toEqual([...ENGLISH, ...(SCRIPT_SAMPLES['Cyrillic'] ?? [])])
    await unreadOf(['Привет'], 'another')
    expect(asked).toHaveLength(12)
  })
})
