export const zones: { target: string; from: string; except?: string[]; message: string }[];
export const tsOfJs: object;
