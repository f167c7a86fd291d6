// Which dialect a chat template speaks. The excerpts are the marks that templates of each family show past calls with.

import { describe, expect, test } from 'vitest';
import { chooseDialect, detectCallFormat, detectReasoningFormat } from '../../src/dialects/dialect.ts';
import { endsInsideReasoning } from '../../src/dialects/prompt-end.ts';
import { gemmaThought, harmonyAnalysis, think } from '../../src/dialects/reasoning-formats.ts';

describe('a template', () => {
  test.each([
    ['hermes', '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'],
    ['qwen3-coder', '<tool_call>\n<function=example>\n<parameter=a>\nvalue\n</parameter>\n</function>\n</tool_call>'],
    ['glm', '<tool_call>{function-name}\n<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n</tool_call>'],
    ['llama3', '<|start_header_id|>assistant{{ \'"parameters": \' }}{{ tool_call.arguments | tojson }}'],
    ['mistral', '[AVAILABLE_TOOLS] [TOOL_CALLS] [{"name": }]'],
    ['deepseek', '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>'],
    ['kimi-k2', '<|tool_calls_section_begin|><|tool_call_begin|>'],
    ['harmony', '<|start|>assistant<|channel|>commentary to=functions. <|message|> <tool_call>'],
    ['gemma', '<start_function_call>call:'],
    ['gemma', "{{- '<|tool_call>call:' + name }}"],
    ['functionary-v3.1', "<function=' + name + '>' + arguments + '</function>"],
    ['functionary-v3.2', "{{ '>>>all\\n' + message['content'] }}"],
    ['json', '{{ message.content }}'],
  ])('of %s is known by its marks', (name, excerpt) => {
    expect(detectCallFormat(excerpt)).toBe(name);
  });

  test.each([
    ['think', "content.split('</think>')[-1]"],
    ['mistral', '[THINK]{{ thinking }}[/THINK]'],
    ['harmony', '<|start|>assistant<|channel|>analysis<|message|>'],
    ['gemma', '<|channel>thought\n'],
    ['seed', '<seed:think>'],
    ['command', '<|START_THINKING|>'],
    [undefined, '{{ message.content }}'],
  ])('marks reasoning as %s', (name, excerpt) => {
    expect(detectReasoningFormat(excerpt)).toBe(name);
  });

  test('is overruled by settings', () => {
    const template = '<tool_call> </think>';
    const names = (tools: 'auto' | 'glm', reasoning: 'auto' | 'none' | 'seed') => {
      const dialect = chooseDialect(template, { tools, reasoning });
      return [dialect.calls.name, dialect.reasoning?.name];
    };
    expect(names('auto', 'auto')).toEqual(['hermes', 'think']);
    expect(names('glm', 'none')).toEqual(['glm', undefined]);
    expect(names('auto', 'seed')).toEqual(['hermes', 'seed']);
  });
});

test.each([
  ['<|im_start|>assistant\n<think>\n', think, true],
  ['<|im_start|>assistant\n<think>\n\n</think>\n\n', think, false],
  ['What is <think>?<|im_end|>\n<|im_start|>assistant\n', think, false],
  ['<|turn>model\n<|channel>thought\n', gemmaThought, true],
  ['<|turn>model\n<|channel>thought\n<channel|>', gemmaThought, false],
  ['<|start|>assistant', harmonyAnalysis, false],
])('the prompt end %j: %#', (promptEnd, format, isInside) => {
  expect(endsInsideReasoning(promptEnd, format)).toBe(isInside);
});
