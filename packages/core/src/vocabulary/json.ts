/** A value that JSON can hold: the type of a task's input and of everything free-form that is stored. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
