import { RuleTester } from 'oxlint/plugins-dev'
import { describe, it } from 'vitest'
import { explainedCasts } from '../../lint/explained-casts.ts'

RuleTester.describe = describe
RuleTester.it = it

new RuleTester({ languageOptions: { parserOptions: { lang: 'ts' } } }).run(
  'explained-casts',
  explainedCasts,
  {
    valid: [
      'const row = value as Row',
      "const names = ['a', 'b'] as const",
      'const facts = value as unknown as Facts // reason: the schema has checked it',
      '/* reason: the driver takes them so */\nquery(values as never[])',
    ],
    invalid: [
      { code: 'const facts = value as unknown as Facts', errors: 1 },
      { code: 'query(values as never)', errors: 1 },
      { code: 'query(values as never[])', errors: 1 },
      { code: 'const any = value as any // as it comes', errors: 1 },
      { code: '// reason: only of this line\nfirst()\nquery(values as never)', errors: 1 },
    ],
  },
)
