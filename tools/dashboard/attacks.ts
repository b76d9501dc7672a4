/** Content that would do something if a page took it for markup: it sets `window.hit`, loads a picture, or leaves its element. */
export const attacks: readonly string[] = [
  '<img src=x onerror="window.hit=1">',
  '<script>window.hit=1</script>',
  '"><svg onload=window.hit=1>',
  "javascript:window.hit=1//'",
  '</pre></textarea><iframe srcdoc="<script>parent.hit=1</script>">',
  '\u001B[2J\u202E{{constructor.constructor("window.hit=1")()}}\u0000'.replace('\u0000', ''),
];
