import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expandAlias } from '../../../shared/agentese/alias.ts'
import {
  compose,
  type Expression,
  formatExpression,
  IDENTITY,
  parseExpression,
} from '../../../shared/agentese/expression.ts'
import { Failure } from '../../../shared/failures.ts'
import { fuzz, megabytes, outcomeOf, paths, segments, textsNear } from './texts.ts'

const expand = (text: string) => expandAlias(text, {})
const parse = (text: string) => parseExpression(text, expand)

const pipelines = fc
  .tuple(paths, fc.array(segments, { minLength: 1, maxLength: 4 }))
  .map(([path, verbs]): Expression => {
    const node = path.split('.').slice(0, 2).join('.')
    return { kind: 'pipeline', stages: verbs.map((verb) => `${node}.${verb}`) }
  })

const expressions: fc.Arbitrary<Expression> = fc.oneof(
  fc.constant(IDENTITY),
  paths.map((path): Expression => ({ kind: 'path', stages: [path] })),
  fc
    .array(paths, { minLength: 2, maxLength: 6 })
    .map((stages): Expression => ({ kind: 'composition', stages })),
  pipelines,
)

describe('parseExpression()', () => {
  test.each([
    ['world.house.manifest', 'path', ['world.house.manifest']],
    ['me.dialogue', 'path', ['self.soul.dialogue']],
    ['  void.entropy.sip ', 'path', ['void.entropy.sip']],
    ['world.house.manifest >> me.reflect', 'composition', ['world.house.manifest', 'self.soul.reflect']],
    ['chaos.sip>>chaos.pour', 'composition', ['void.entropy.sip', 'void.entropy.pour']],
    ['world.house.pipe(manifest, measure)', 'pipeline', ['world.house.manifest', 'world.house.measure']],
    ['me.pipe(dialogue)', 'pipeline', ['self.soul.dialogue']],
    ['world.house.pipe', 'path', ['world.house.pipe']],
    ['Id', 'composition', []],
    ['Id >> Id', 'composition', []],
    ['world.house.pipe()', 'composition', []],
    ['world.house.pipe( )', 'composition', []],
    ['Id >> void.entropy.sip >> Id', 'path', ['void.entropy.sip']],
    ['Id >> world.house.pipe(manifest)', 'pipeline', ['world.house.manifest']],
    [
      'chaos.sip >> world.house.pipe(a, b)',
      'composition',
      ['void.entropy.sip', 'world.house.a', 'world.house.b'],
    ],
  ])('reads "%s" as a %s', (text, kind, stages) => {
    expect(parse(text)).toEqual({ kind, stages })
  })

  test.each([
    ['', 'segment 1, the context, is missing', { segment: 1 }],
    ['world.house', 'segment 3, the aspect, is missing', { segment: 3 }],
    ['world.house.manifest >>', 'In stage 2: ', { segment: 1, stage: 2 }],
    ['>> world.house.manifest', 'In stage 1: ', { segment: 1, stage: 1 }],
    ['void.entropy.sip >> >> void.entropy.pour', 'In stage 2: ', { segment: 1, stage: 2 }],
    [
      'void.entropy.sip >> world.House.x',
      'In stage 2: Cannot read path "world.House.x": segment 2',
      {
        segment: 2,
        stage: 2,
      },
    ],
    ['void.entropy.sip > void.entropy.pour', 'segment 3', { segment: 3 }],
    ['id >> void.entropy.sip', 'In stage 1: ', { segment: 1, stage: 1 }],
    ['world.house.pipe(manifest', 'does not end with ")"', undefined],
    ['world.house.pipe(a).b', 'does not end with ")"', undefined],
    ['world.house.pipe(a,)', 'In aspect 2: ', { segment: 3, aspect: 2 }],
    ['world.house.pipe(a, b.c)', 'In aspect 2: ', { segment: 4, aspect: 2 }],
    ['world.house.pipe(Id)', 'In aspect 1: ', { segment: 3, aspect: 1 }],
    ['world.pipe(house.manifest)', 'segment 2, the holon, is missing', { segment: 2 }],
    ['world.house.manifest.pipe()', 'segment 3', { segment: 3 }],
    ['Id >> world.house.pipe(a, B)', 'In stage 2: In aspect 2: ', { segment: 3, aspect: 2, stage: 2 }],
    [`${'Id >> '.repeat(2000)}void.entropy.sip`, 'longer than 8000', undefined],
    [`void.entropy.sip >> world.${'a'.repeat(300)}.x`, 'In stage 2: ', { segment: 2, stage: 2 }],
  ])('refuses "%s": %s', (text, why, details) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'PATH_SYNTAX', message: expect.stringContaining(why) }),
    )
    if (details !== undefined) {
      expect(() => parse(text)).toThrow(
        expect.objectContaining({ facts: expect.objectContaining({ details }) }),
      )
    }
  })

  test('takes twenty stages, counts no units among them, and refuses one more', () => {
    const twenty = Array<string>(20).fill('void.entropy.sip').join(' >> ')
    expect(parse(`Id >> ${twenty} >> Id`).stages).toHaveLength(20)
    expect(() => parse(`${twenty} >> void.entropy.sip`)).toThrow(/21 stages of at most 20/)
    expect(() => parse(`void.entropy.pipe(${Array<string>(21).fill('sip').join()})`)).toThrow(/21 stages/)
  })

  test('takes twenty stages of the longest names', () => {
    const longest = `concept.${'h'.repeat(64)}.${'a'.repeat(64)}`
    expect(parse(Array<string>(20).fill(longest).join('  >>  ')).stages).toHaveLength(20)
  })

  test('reads back what formatExpression() writes', () => {
    fc.assert(
      fc.property(expressions, (expression) => {
        expect(parse(formatExpression(expression))).toEqual(expression)
      }),
    )
  })

  test('answers any text at all with full paths, or with a failure', fuzz.options, () => {
    fc.assert(
      fc.property(textsNear(expressions.map(formatExpression)), (text) => {
        const expression = outcomeOf(() => parse(text))
        if (expression instanceof Failure) return
        expect(parse(formatExpression(expression))).toEqual(expression)
        for (const stage of expression.stages) expect(parse(stage).stages).toEqual([stage])
      }),
      fuzz.runs,
    )
  })

  test('refuses a megabyte of anything', () => {
    for (const text of megabytes) expect(outcomeOf(() => parse(text))).toBeInstanceOf(Failure)
  })
})

describe('compose()', () => {
  test('has Id as its unit on both sides', () => {
    fc.assert(
      fc.property(expressions, (f) => {
        expect(compose(IDENTITY, f)).toEqual(f)
        expect(compose(f, IDENTITY)).toEqual(f)
        expect(parse(`Id >> ${formatExpression(f)}`)).toEqual(f)
        expect(parse(`${formatExpression(f)} >> Id`)).toEqual(f)
      }),
    )
  })

  test('is associative: the same stages, however they are grouped', () => {
    fc.assert(
      fc.property(expressions, expressions, expressions, (a, b, c) => {
        const left = compose(compose(a, b), c)
        expect(left).toEqual(compose(a, compose(b, c)))
        expect(parse([a, b, c].map(formatExpression).join(' >> '))).toEqual(left)
      }),
    )
  })
})
