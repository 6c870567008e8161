import type { TaskEvent } from '@consilium/package-runner';
import { formatMetrics, type Output } from '../core/output.js';

/** Shows a task's events: steps on the live line, backend and log as lines that stay. */
export function showTask(label: string, out: Output): (event: TaskEvent) => void {
  return (event) => {
    if (event.event === 'progress') out.progress(`${label}  ${progressText(event)}`);
    else if (event.event === 'backend') out.say(`${label}: ${backendText(event)}`);
    else out.say(`${label}: ${event.level === 'info' ? '' : `${event.level}: `}${event.message}`);
  };
}

/** `epoch 2/3  step 40/120 [######      ] loss 0.3123` */
export function progressText(event: Extract<TaskEvent, { event: 'progress' }>): string {
  const { step, steps, epoch, epochs, metrics } = event;
  const parts = [counter('epoch', epoch, epochs), counter('step', step, steps)];
  if (step !== undefined && steps !== undefined && steps > 0) parts.push(bar(step / steps));
  if (metrics !== undefined) parts.push(formatMetrics(metrics));
  return parts.filter((part) => part !== '').join('  ');
}

export function backendText({ name, device }: { name: string; device?: string }): string {
  return `backend ${name}${device === undefined ? '' : ` on ${device}`}`;
}

function counter(what: string, done: number | undefined, all: number | undefined): string {
  if (done === undefined) return '';
  return all === undefined ? `${what} ${done}` : `${what} ${done}/${all}`;
}

function bar(part: number, width = 20): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * width);
  return `[${'#'.repeat(full)}${' '.repeat(width - full)}]`;
}
