/** Returns a view of an object with one method replaced. */
export function withMethod<Target extends object>(target: Target, replaced: string, method: unknown): Target {
  return new Proxy(target, {
    get(original, name) {
      if (name === replaced) return method;
      const value: unknown = Reflect.get(original, name, original);
      return typeof value === 'function' ? (value.bind(original) as unknown) : value;
    },
  });
}
