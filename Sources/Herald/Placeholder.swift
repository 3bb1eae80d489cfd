enum HeraldPlaceholder {}
