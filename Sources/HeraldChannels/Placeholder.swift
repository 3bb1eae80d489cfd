enum HeraldChannelsPlaceholder {}
