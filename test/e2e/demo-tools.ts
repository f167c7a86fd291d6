// Tools that the embedded model was trained to call, as every API's tests offer them: each spells the same three fields its own way.

export interface DemoTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: {
    readonly type: 'object';
    readonly properties: Record<string, object>;
    readonly required: string[];
    readonly additionalProperties: false;
  };
}

/** "What is the stock level of bucket?" calls it. */
export const stockTool: DemoTool = {
  name: 'check_stock',
  description: 'How many pieces of an item are in stock',
  parameters: {
    type: 'object',
    properties: { product: { type: 'string', description: 'Item name' } },
    required: ['product'],
    additionalProperties: false,
  },
};

export const timerTool: DemoTool = {
  name: 'set_timer',
  description: 'Start a timer for some minutes',
  parameters: {
    type: 'object',
    properties: { minutes: { type: 'integer' } },
    required: ['minutes'],
    additionalProperties: false,
  },
};
