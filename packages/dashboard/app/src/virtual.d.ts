declare module 'virtual:metrics' {
  const sections: readonly {
    readonly title: string;
    readonly metrics: readonly { readonly name: string; readonly meaning: string; readonly normal: string }[];
  }[];
  export default sections;
}
declare module 'virtual:ailments' {
  const words: Readonly<Record<string, string>>;
  export default words;
}
