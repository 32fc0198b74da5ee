"""What is the network asked? One linear equation in data and noise, solved for a posterior."""
