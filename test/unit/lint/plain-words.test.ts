import { RuleTester } from 'oxlint/plugins-dev'
import { describe, it } from 'vitest'
import { plainWords } from '../../lint/plain-words.ts'

RuleTester.describe = describe
RuleTester.it = it

new RuleTester({ languageOptions: { parserOptions: { lang: 'ts' } } }).run('plain-words', plainWords, {
  valid: [
    '// Delivered once, and reported to the caller.',
    "log.warn('Redis is unavailable')",
    '/* A read-only call; it looks like any other. */',
    "throw new Failure('INVALID_INPUT', 'id is required')",
    'const told = wish',
    'const text = `takes place in ${city}, far away`',
  ],
  invalid: [
    { code: '// Told once.', errors: 1 },
    { code: "log.warn('Redis is away')", errors: 1 },
    { code: '/* In a look nothing is written. */', errors: 1 },
    { code: '/** Known to the asker. */', errors: 1 },
    { code: "throw new Failure('INVALID_INPUT', `Cannot act on ${id}: say an id`)", errors: 1 },
    { code: 'const text = `${name} where it is left out`', errors: 1 },
    { code: '// Takes a place in the lane, and buries what fails.', errors: 3 },
  ],
})
