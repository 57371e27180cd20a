/** Starts the page: the operations of this installation, the session, then what is shown. */
import { render } from 'preact'
import { html } from './html.ts'
import { credential, refusals } from './api.ts'
import { loadOperations } from './openapi.ts'
import { followAddress } from './router.ts'
import { endImpersonation, restoreSession, session } from './session.ts'
import { showTheme } from './theme.ts'
import { Shell } from '../pages/shell.ts'
import { Failed, Loading } from '../parts/states.ts'
import { problemOf } from '../parts/use-operation.ts'

const place = document.querySelector('#console')

async function start(): Promise<void> {
  if (place === null) return
  showTheme()
  render(
    html`<main>
      <h1 class="unseen">kgents console</h1>
      <${Loading} what="the console" />
    </main>`,
    place,
  )
  try {
    await loadOperations()
    await restoreSession()
    render(html`<${Shell} />`, place)
  } catch (error) {
    render(
      html`<main>
        <h1>The console cannot start</h1>
        <${Failed} problem=${problemOf(error)} retry=${() => void start()} />
      </main>`,
      place,
    )
  }
}

/** A credential that was refused is looked at once more, then the page asks for another. */
refusals.follow(() => {
  if (session.get()?.impersonating !== undefined) void endImpersonation()
  else if (credential.get().kind === 'cookie') void restoreSession()
})
followAddress()
void start()
