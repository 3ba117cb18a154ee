"""What operators set: variables (`settings`), policies (`policies/*.yaml`) and texts (`messages/*.yaml`)."""
