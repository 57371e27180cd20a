/**
 * Node's own `Request`, `Response` and `Headers` come with its HTTP client, which takes a quarter of a cold start to load and
 * which most functions never use: what serves HTTP only extends these classes. So the bundle gets classes in their place
 * that become Node's when something of them is used.
 */

type Constructor = abstract new (...args: never[]) => object
type Loaded = Constructor & Record<PropertyKey, unknown>

/** The members of each class, and those of the class itself, by its standard: to use one of them loads Node's. */
const MEMBERS: Record<string, [own: readonly PropertyKey[], ofClass: readonly PropertyKey[]]> = {
  CloseEvent: [words('code reason wasClean'), []],
  Headers: [
    [...words('append delete entries forEach get getSetCookie has keys set values'), Symbol.iterator],
    [],
  ],
  Request: [
    words(
      'arrayBuffer blob body bodyUsed bytes cache clone credentials destination duplex formData headers integrity ' +
        'isHistoryNavigation isReloadNavigation json keepalive method mode redirect referrer referrerPolicy signal text url',
    ),
    [],
  ],
  Response: [
    words(
      'arrayBuffer blob body bodyUsed bytes clone formData headers json ok redirected status statusText text type url',
    ),
    words('error json redirect'),
  ],
}

/** What the bundle finds in place of `globalThis` where it reads one of these classes there, or puts another in its place. */
export const web: Record<string, unknown> = Object.fromEntries(
  Object.entries(MEMBERS).map(([name, members]) => [name, createLateClass(name, ...members)]),
)

function createLateClass(name: string, own: readonly PropertyKey[], ofClass: readonly PropertyKey[]) {
  let loaded: Loaded | undefined
  const become = (): Loaded => {
    if (loaded !== undefined) return loaded
    loaded = Reflect.get(globalThis, name) as Loaded // reason: the class of this name
    for (const member of own) Reflect.deleteProperty(Late.prototype, member)
    for (const member of ofClass) Reflect.deleteProperty(Late, member)
    Object.setPrototypeOf(Late.prototype, loaded.prototype as object)
    Object.setPrototypeOf(Late, loaded)
    return loaded
  }
  class Late {
    constructor(...args: never[]) {
      return Reflect.construct(become(), args, new.target === Late ? become() : new.target) as Late
    }

    /** Whatever Node has made is an instance as well; while nothing is loaded, it has made nothing. */
    static [Symbol.hasInstance](value: unknown): boolean {
      if (Function.prototype[Symbol.hasInstance].call(this, value)) return true
      return this === Late && loaded !== undefined && value instanceof loaded
    }
  }
  for (const member of own)
    define(Late.prototype, member, (self) => Reflect.get(become().prototype as object, member, self))
  for (const member of ofClass) define(Late, member, () => become()[member])
  return Late
}

function define(owner: object, member: PropertyKey, get: (self: unknown) => unknown): void {
  Object.defineProperty(owner, member, {
    configurable: true,
    get(this: unknown) {
      return get(this)
    },
  })
}

function words(text: string): string[] {
  return text.split(' ')
}
