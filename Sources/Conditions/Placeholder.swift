enum ConditionsPlaceholder {}
