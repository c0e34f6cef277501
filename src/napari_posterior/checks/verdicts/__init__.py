"""When and how a finding is decided: tolerances, looks, verdicts and the folder that keeps them."""
