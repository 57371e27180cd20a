import { RuleTester } from 'oxlint/plugins-dev'
import { describe, it } from 'vitest'
import { floors } from '../../lint/floors.ts'

RuleTester.describe = describe
RuleTester.it = it

const options = [['shared', 'shared/events', 'shared/http']]
const from = (filename: string, code: string) => ({ filename, code, options })

new RuleTester({ cwd: '/repository', languageOptions: { parserOptions: { lang: 'ts' } } }).run(
  'floors',
  floors,
  {
    valid: [
      from('shared/http/app.ts', "import { Failure } from '../failures.ts'"),
      from('shared/http/deep/app.ts', "import type { Event } from '../../events/event.ts'"),
      from('shared/events/event.ts', "import { z } from 'zod'"),
      from('functions/serve.ts', "import '../shared/http/app.ts'"),
    ],
    invalid: [
      { ...from('shared/events/event.ts', "import type { App } from '../http/app.ts'"), errors: 1 },
      { ...from('shared/failures.ts', "export * from './events/event.ts'"), errors: 1 },
      { ...from('shared/new/thing.ts', "await import('../events/event.ts')"), errors: 1 },
    ],
  },
)
