import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { takeKey } from './access.ts';
import { App } from './app.tsx';

void takeKey();
render(<App />, document.getElementById('app')!);
