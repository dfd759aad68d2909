/** How far the run is: a bar on a terminal, a line for each cell elsewhere. */
import type { Step } from './runner.ts';

const barWidth = 24;

export interface Output {
  readonly isTTY: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export const clockText = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

export class Progress {
  #done = 0;
  #cell = '';
  readonly #output: Output;
  readonly #stepCount: number;
  readonly #nowMs: () => number;
  readonly #startMs: number;

  constructor(output: Output, stepCount: number, nowMs: () => number) {
    this.#output = output;
    this.#stepCount = stepCount;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  /** A measurement begins. */
  step({ caseName, cell, peer }: Step): void {
    const seconds = (this.#nowMs() - this.#startMs) / 1000;
    const share = Math.min(1, this.#done / Math.max(1, this.#stepCount));
    const left = this.#done < 5 ? '' : `, ${clockText((seconds / this.#done) * (this.#stepCount - this.#done))} left`;
    const count = `${this.#done}/${this.#stepCount}`;
    this.#done++;
    if (this.#output.isTTY) {
      const full = Math.round(share * barWidth);
      const bar = '█'.repeat(full) + '░'.repeat(barWidth - full);
      const line = `${bar} ${count} ${caseName}: ${cell} · ${peer} · ${clockText(seconds)}${left}`;
      this.#output.write(`\r\x1b[2K${line.slice(0, (this.#output.columns ?? 120) - 1)}`);
    } else if (this.#cell !== `${caseName}: ${cell}`) {
      this.#cell = `${caseName}: ${cell}`;
      this.#output.write(`[${clockText(seconds)} ${count}${left}] ${this.#cell}\n`);
    }
  }

  /** Makes room for other output. */
  clear(): void {
    if (this.#output.isTTY) this.#output.write('\r\x1b[2K');
  }
}
