/** Declares what a proxy does in the place of its object. */
export interface ProxyBehaviour {
  readonly get: (key: PropertyKey) => unknown;
  /** The call of an object that is a function. */
  readonly apply?: (args: unknown[]) => unknown;
}

/**
 * Returns a proxy of an object, also of a frozen one. A proxy must give the fixed members of its target as they are, so that of a frozen
 * object has another target, which has none.
 */
export function createProxy<Target extends object>(target: Target, { get, apply }: ProxyBehaviour): Target {
  const calls: ProxyHandler<Target> = {
    get: (_target, key) => get(key),
    ...(apply !== undefined && { apply: (_target, _this, args: unknown[]) => apply(args) }),
  };
  if (!hasFixedMembers(target)) return new Proxy(target, calls);
  const prototype = Object.getPrototypeOf(target) as object | null;
  const empty =
    typeof target === 'function' ? Object.setPrototypeOf(() => undefined, prototype) : Object.create(prototype);
  return new Proxy(empty as Target, {
    ...calls,
    has: (_target, key) => key in target,
    ownKeys: () => Reflect.ownKeys(target),
    getOwnPropertyDescriptor: (_target, key) => {
      const descriptor = Object.getOwnPropertyDescriptor(target, key);
      return descriptor && { ...descriptor, configurable: true };
    },
  });
}

function hasFixedMembers(target: object): boolean {
  return Object.values(Object.getOwnPropertyDescriptors(target)).some(
    ({ configurable, writable }) => configurable === false && writable !== true,
  );
}
