enum HeraldTestingPlaceholder {}
