/** Which names can be a customer's own domain: not a mail provider's, where strangers share one, nor one under which anybody registers. */
import { domainToASCII } from 'node:url'
import { z } from 'zod'

/** Providers of mailboxes for everybody; whoever has an address there shares nothing with the others. */
const MAIL_PROVIDERS = new Set(
  `126.com 163.com aol.com bk.ru bluewin.ch btinternet.com comcast.net daum.net duck.com email.com fastmail.com
   fastmail.fm foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com guerrillamail.com
   hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr hushmail.com icloud.com inbox.ru laposte.net libero.it
   list.ru live.com live.de live.fr mac.com mail.com mail.ru mailbox.org mailinator.com me.com msn.com naver.com
   orange.fr outlook.com outlook.de outlook.fr pm.me posteo.de proton.me protonmail.com protonmail.ch qq.com rediffmail.com
   riseup.net rocketmail.com sbcglobal.net sfr.fr sina.com skynet.be t-online.de telenet.be tiscali.it tuta.com tutanota.com
   verizon.net virgilio.it wanadoo.fr web.de xtra.co.nz yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br
   yahoo.de yahoo.fr yandex.com yandex.ru yopmail.com ymail.com zoho.com`
    .split(/\s+/)
    .filter((name) => name !== ''),
)

/**
 * Not the whole list of public suffixes: whoever claims a domain proves it, and only a registry can put a record into `co.uk`.
 * Second labels under which countries let anybody register: `co.uk`, `com.au`.
 */
const REGISTRY_LABELS = new Set(
  'ac asso co com edu gob gouv gov govt gv idv ind info ltd me mil muni ne net nhs nom or org plc sch school web'.split(
    ' ',
  ),
)

/** Hosts that give names below theirs to anybody. */
const SHARED_HOSTS = new Set(
  `amazonaws.com appspot.com azurewebsites.net blogspot.com cloudfront.net duckdns.org dyndns.org eu.org firebaseapp.com
   fly.dev github.io gitlab.io glitch.me herokuapp.com netlify.app ngrok.io ngrok-free.app no-ip.org onrender.com pages.dev
   railway.app repl.co surge.sh uk.com us.com vercel.app web.app workers.dev`
    .split(/\s+/)
    .filter((name) => name !== ''),
)

/** Names that are never public: RFC 2606, RFC 6761, RFC 6762, RFC 9476. */
const NOT_PUBLIC = new Set(
  'alt arpa corp example home internal intranet invalid lan local localdomain localhost onion private test'.split(
    ' ',
  ),
)

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** A domain as it is compared and kept: in ASCII and lower case, without a dot at its end. */
export const DomainName = z
  .string()
  .trim()
  .min(1)
  .max(253)
  .transform((text) => normalDomain(text) ?? '')
  .refine((name) => name !== '', 'is no domain name')
  .superRefine((name, context) => {
    const why = name === '' ? undefined : whyNotOwn(name)
    if (why !== undefined) context.addIssue({ code: 'custom', message: why })
  })

/** @returns undefined where `text` is no domain name */
function normalDomain(text: string): string | undefined {
  const name = domainToASCII(text.replace(/\.$/, '')).toLowerCase()
  const labels = name.split('.')
  // The last label of an address is a number; of a name it never is.
  const isName =
    labels.length >= 2 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
  return isName && name.length <= 253 ? name : undefined
}

/** Of an e-mail address; undefined where it is none. */
export function domainOf(email: string): string | undefined {
  const at = email.lastIndexOf('@')
  return at < 1 ? undefined : normalDomain(email.slice(at + 1))
}

/** Why nobody can have `name` for itself; undefined where somebody can. */
function whyNotOwn(name: string): string | undefined {
  const labels = name.split('.')
  if (NOT_PUBLIC.has(labels.at(-1) ?? '')) return 'is not a domain of the public Internet'
  if (isOrBelow(name, MAIL_PROVIDERS)) return 'belongs to a provider of mailboxes for everybody'
  if (SHARED_HOSTS.has(name) || isPublicSuffix(labels)) return 'is one under which anybody can register'
  return undefined
}

function isPublicSuffix(labels: readonly string[]): boolean {
  const [second = '', country = ''] = labels
  return labels.length === 2 && country.length === 2 && REGISTRY_LABELS.has(second)
}

function isOrBelow(name: string, names: ReadonlySet<string>): boolean {
  return [...names].some((each) => name === each || name.endsWith(`.${each}`))
}
