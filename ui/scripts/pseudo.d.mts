export function pseudoText(text: string): string;
export function pseudo(messages: Record<string, unknown>): Record<string, unknown>;
export function pseudoFile(english: string): string;
