"""The work: from a draft of pictures to a registered model. Knows no chat and no words."""
