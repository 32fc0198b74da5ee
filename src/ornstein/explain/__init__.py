"""Pictures of the thing itself: one sample's way from noise, and what the schedule spends where."""
