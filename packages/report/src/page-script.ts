/** The report's script: the values under the pointer, and the button for light and dark. It loads nothing. */
export const pageScript: string = `
document.getElementById('theme').addEventListener('click',()=>{
  const root=document.documentElement;
  const isDark=root.dataset.theme?root.dataset.theme==='dark':matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme=isDark?'light':'dark';
});
const show=value=>value===null?'–':Math.abs(value)>=100?String(Math.round(value)):String(Number(value.toPrecision(3)));
for(const chart of document.querySelectorAll('svg.chart')){
  const {names,xs}=JSON.parse(chart.dataset.values);
  const cursor=chart.querySelector('.cursor');
  const readout=document.createElement('div');
  readout.className='readout';
  chart.parentElement.append(readout);
  chart.addEventListener('pointermove',event=>{
    const box=chart.getBoundingClientRect();
    const at=(event.clientX-box.left)*chart.viewBox.baseVal.width/box.width;
    const nearest=xs.reduce((best,each)=>Math.abs(each.at-at)<Math.abs(best.at-at)?each:best);
    cursor.setAttribute('x1',nearest.at);cursor.setAttribute('x2',nearest.at);cursor.style.visibility='visible';
    readout.textContent='';
    const lines=['step '+nearest.x,...names.flatMap((name,index)=>nearest.ys[index]===null?[]:[(names.length>1?name+' ':'')+show(nearest.ys[index])])];
    for(const line of lines){const row=document.createElement('div');row.textContent=line;readout.append(row);}
    const left=nearest.at*box.width/chart.viewBox.baseVal.width;
    readout.style.visibility='visible';
    readout.style.top='8px';
    readout.style.left=(left>box.width*0.6?left-readout.offsetWidth-10:left+10)+'px';
  });
  chart.addEventListener('pointerleave',()=>{cursor.style.visibility='hidden';readout.style.visibility='hidden';});
}
`;
